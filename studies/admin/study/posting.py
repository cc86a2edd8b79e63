"""Postings of a study at its recruiter's service: made, published, decided on and paid.

People who may change a study see them; its owner alone spends the money.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect

from studies.admin import documentation
from studies.admin.pages import as_sentence, get_object_or_404_for, page
from studies.admin.widgets import with_theme_widgets
from studies.lib.errors import StudyError
from studies.models import Arrival, BonusPayment, Posting, Study
from studies.planning.fees import with_fees
from studies.recruitment import arrivals, bonuses, payments, postings


class AmountField(forms.Field):
    """An amount such as 1.50; its clean value is in hundredths, 0 where none has to be given."""

    def to_python(self, value: Any) -> Any:
        text = str(value or "").strip()
        if not text:
            return "" if self.required else 0
        if (amount := bonuses.hundredths(text)) is None:
            raise forms.ValidationError("An amount such as 1.50.")
        return amount


class DraftForm(forms.Form):
    visit = forms.TypedChoiceField(
        choices=[(1, "the first visit"), (2, "the second visit, of those who are due")],
        coerce=int,
        help_text="Visit of the study that people are paid for.",
    )
    places = forms.IntegerField(min_value=1, max_value=100_000, help_text="Number of people.")
    reward = AmountField(help_text="Pay per person, in the currency of the account, such as 1.50.")
    screened_out_reward = AmountField(
        required=False, help_text="Pay for people who are screened out. Leave empty where the design screens nobody."
    )
    minutes = forms.IntegerField(min_value=1, max_value=600, help_text="Expected time per person.")
    description = forms.CharField(
        max_length=5000, widget=forms.Textarea(attrs={"rows": 4}), help_text="Text that people read before they begin."
    )
    without = forms.CharField(
        label="Leave out",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Groups whose members are not shown it, by their IDs, one per line: who took part in other studies.",
    )
    approves = forms.BooleanField(
        label="Approve automatically",
        required=False,
        initial=True,
        help_text="Approve submissions of people whom Quorum saw finish.",
    )

    def clean_without(self) -> tuple[str, ...]:
        return tuple(self.cleaned_data["without"].split())


def posting(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows the postings; POST does one thing with them (`do`), for the study's owner."""
    study = get_object_or_404_for(admin, request, pk, "change")
    owner = admin.has_share_permission(request, study)
    form = with_theme_widgets(DraftForm(request.POST if request.POST.get("do") == "draft" else None))
    if request.method == "POST":
        if not owner:
            raise PermissionDenied
        try:
            said = _do(request, study, form)
        except StudyError as error:
            messages.error(request, as_sentence(error))
            said = ""
        if said:
            messages.success(request, said)
        if not form.is_bound or said:
            return redirect(admin.address(study, "posting"))
    recruiter, _settings = arrivals.recruiter_of(study)
    market = recruiter.market()
    context = {
        "study": study,
        "original": study,
        "recruiter": recruiter,
        "market": market,
        "owner": owner,
        "form": form,
        "rows": [_row(one) for one in study.postings.all()] if market else [],
        "unfinished": list(bonuses.unfinished(study)),
        "documentation": documentation.address("how-to/recruit"),
        "rejections": market.rejections.items() if market else (),
    }
    return page(admin, request, "admin/studies/study/posting.html", title="Postings", **context)


def _row(one: Posting) -> dict[str, Any]:
    """A posting as its page shows it."""
    states: dict[str, int] = {}
    for state in Arrival.objects.filter(participant__study=one.study, posting=one.name).values_list("state", flat=True):
        states[state or "not asked about yet"] = states.get(state or "not asked about yet", 0) + 1
    hour = payments.per_hour(one)
    return {
        "posting": one,
        "reward": payments.money(one.reward),
        "screened_out": payments.money(one.screened_out_reward) if one.screened_out_reward else "",
        "total": payments.money(one.places * one.reward),
        "fees": [(fee.name, payments.money(sum)) for fee, sum in with_fees(one.places * one.reward, one.recruiter)],
        "states": [(name.replace("_", " "), n) for name, n in sorted(states.items())],
        "hour": hour and {"amount": payments.money(hour["amount"]), "minutes": hour["minutes"], "n": hour["n"]},
        "to_decide": postings.to_decide(one),
        "bonuses": one.bonus_payments.all(),
    }


def _do(request: HttpRequest, study: Study, form: DraftForm) -> str:
    """What was asked for; what to say of it, empty where the form has mistakes."""
    what, data, actor = request.POST.get("do", ""), request.POST, request.user
    if what not in ("draft", "settle", "publish", "ask", "strangers", "decide", "bonuses"):
        raise StudyError("nothing was asked for")
    if what == "draft":
        if not form.is_valid():
            return ""
        postings.make_draft(study, **form.cleaned_data, actor=actor)
        return "The draft is made. Nobody sees it before you publish it."
    if what == "settle":
        payment = BonusPayment.objects.filter(posting__study=study, pk=_number(data.get("payment"))).first()
        if payment is None:
            raise Http404
        if data.get("found") == "go on":
            bonuses.go_on(payment)
            return "The bonuses are paid."
        bonuses.settle(payment, paid=data.get("found") == "paid", actor=actor)
        return "Noted."
    one = study.postings.filter(pk=_number(data.get("posting"))).first()
    if one is None:
        raise Http404
    if what == "publish":
        if bonuses.hundredths(data.get("total", "")) != one.places * one.reward:
            raise StudyError("type what all places cost together, as the page says it: nothing is published")
        postings.publish(one, actor=actor)
        return "It is published."
    if what == "ask":
        postings.ask(one)
        return "All submissions are read."
    if what == "strangers":
        reason = " ".join(data.get("reason", "").split())
        if not reason:
            raise StudyError("say why they are asked to return it")
        postings.ask(one, return_strangers=reason)
        return "They are asked to return their submissions."
    if what == "decide":
        decision = {name: data.get(name, "") for name in ("category", "reason")}
        postings.decide(one, _number(data.get("arrival")), data.get("decision", ""), **decision, actor=actor)
        return "Done."
    payment = bonuses.pay(one, bonuses.read_amounts(data.get("amounts", "").encode(), "The table"), actor=actor)
    return f"Bonuses are paid: {payment.people}, together {payments.money(payment.total)}."


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 18 else 0


def payment_table(admin: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Who is paid what, as CSV; it names people, so it is logged who asked for it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    study = get_object_or_404_for(admin, request, pk, "change")
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{study.slug}-payments.csv"'
    response.headers["Cache-Control"] = "no-store"
    amounts = {name: bonuses.hundredths(request.POST.get(name, "")) for name in ("reward", "screened_out_reward")}
    payments.write(study, response, **amounts, actor=request.user)
    return response
