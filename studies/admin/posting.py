"""What is posted for a study at a market: offering it, and paying those who handed in.  It may spend money."""

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold import widgets

from studies import postings as posting_
from studies import visits
from studies.errors import StudyError
from studies.models import Posting, Study

from .designing import dressed
from .pages import page, row, sentence

if TYPE_CHECKING:
    from .studies import StudyAdmin

#: Problems told of one press of a button.
MOST_TOLD = 5


class PayForm(forms.Form):
    """What to do with the submissions that are ticked."""

    APPROVE, REJECT, BONUS = "approve", "reject", "bonus"

    do = forms.ChoiceField(
        label="What to do",
        choices=[(APPROVE, "Approve: they are paid"), (REJECT, "Reject, with a reason"), (BONUS, "Pay a bonus")],
        widget=widgets.UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(
        max_length=1000,
        required=False,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Of a rejection or a bonus. They read it; do not write who they are: it stands in the log.",
    )
    amount = forms.DecimalField(
        required=False,
        min_value=Decimal("0.01"),
        max_value=100,
        decimal_places=2,
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Of a bonus, in US dollars each; the market's fee is added.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("do") in (self.REJECT, self.BONUS) and not cleaned.get("reason"):
            self.add_error("reason", "They are told why: write it here.")
        if cleaned.get("do") == self.BONUS and not cleaned.get("amount") and "amount" not in self.errors:
            self.add_error("amount", "How much?")
        return cleaned


def postings(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """GET lists what was posted, with a form for more; POST posts it."""
    study = row(admin, request, pk, "change")
    found = posting_.market_of(study)
    if found is None:
        messages.error(request, "This study is not posted from here: choose a recruiter that is.")
        return redirect(admin.address(study, "recruiting"))
    market, place = found
    if "again" in request.POST:
        return _again(admin, request, study, request.POST["again"])
    form = _offer_form(study, market, place, request.POST if request.method == "POST" else None)
    why_not = market.why_not(place, posting_.link_of(study))
    if form.is_valid():
        given = form.cleaned_data
        try:
            made = posting_.post(study, form.offer(), token=given["token"], visit=given["visit"], actor=request.user)
        except StudyError as error:
            form.add_error(None, sentence(error))
        else:
            messages.success(request, f"It is posted, as {made.name}.")
            return redirect(admin.address(study, "postings"))
    context = {
        "study": study,
        "original": study,
        "form": form,
        "why_not": sentence(why_not) if why_not else "",
        "real": market.is_real(place),
        "place": place,
        "postings": study.postings.select_related("posted_by"),
    }
    return page(admin, request, "admin/studies/study/postings.html", title="Posted work", **context)


def _again(admin: "StudyAdmin", request: HttpRequest, study: Study, asked: str) -> HttpResponse:
    one = study.postings.filter(pk=_number(asked), name="").first()
    if one is None:
        raise Http404
    try:
        made = posting_.post_again(one, actor=request.user)
    except StudyError as error:
        messages.error(request, sentence(error))
    else:
        messages.success(request, f"It is posted, as {made.name}.")
    return redirect(admin.address(study, "postings"))


def _number(asked: str) -> int:
    """The number of a row; one that no row has where it is none."""
    return int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else 0


def _offer_form(study: Study, market: Any, place: str, data: Any) -> forms.Form:
    """The market's form, and what is the same at all of them."""
    arms = visits.arms_of(study)
    initial = {"title": study.title[:128], "token": uuid.uuid4(), "visit": 1}
    form = market.offer_form(data, initial=initial)
    form.fields["visit"] = forms.TypedChoiceField(
        label="For",
        coerce=int,
        choices=[(1, "people who have not come yet")]
        + [(visit, f"visit {visit}, of those who are due") for visit in range(2, (arms.visits if arms else 1) + 1)],
    )
    if market.is_real(place):
        form.fields["sure"] = forms.BooleanField(label="This is live: it spends money, and real people do it")
    # Drawn with the page: the form sent twice posts once.
    form.fields["token"] = forms.UUIDField(widget=forms.HiddenInput)
    return dressed(form)


def posting(admin: "StudyAdmin", request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks the market who handed in; POST stops it, or does something with the submissions that are ticked."""
    study = row(admin, request, pk, "change")
    one = study.postings.exclude(name="").filter(name=request.GET.get("posting", "")[:64]).first()
    if one is None:
        raise Http404
    here = f"{admin.address(study, 'posting')}?posting={one.name}"
    paying = request.method == "POST" and "stop" not in request.POST
    form = PayForm(request.POST if paying else None)
    try:
        if request.method == "POST" and not paying:
            posting_.stop(one, actor=request.user)
            messages.success(request, "It is offered to nobody else. Whoever is at it may finish.")
            return redirect(here)
        found = posting_.submissions(one)
    except StudyError as error:
        messages.error(request, sentence(error))
        return redirect(admin.address(study, "postings"))
    chosen = {*request.POST.getlist("submission")} if paying else set()
    ticked = [each for each in found if each.handed.submission in chosen]
    if paying and not ticked:
        form.add_error(None, "Tick at least one submission.")
    elif form.is_valid():
        _pay(request, one, ticked, form.cleaned_data)
        return redirect(here)
    try:
        how_far = posting_.how_far(one)
    except StudyError as error:
        messages.error(request, sentence(error))
        how_far = None
    context = {
        "study": study,
        "original": study,
        "posting": one,
        "found": found,
        "how_far": how_far,
        "chosen": chosen,
        "form": form,
    }
    return page(admin, request, "admin/studies/study/posting.html", title="Handed in", **context)


def _pay(request: HttpRequest, one: Posting, ticked: list[posting_.Submission], given: dict[str, Any]) -> None:
    do, actor = given["do"], request.user
    if do == PayForm.APPROVE:
        problems = posting_.approve(one, ticked, actor=actor)
        done = "approved"
    elif do == PayForm.REJECT:
        problems = posting_.reject(one, ticked, reason=given["reason"], actor=actor)
        done = "rejected"
    else:
        problems = posting_.pay_bonus(one, ticked, amount=given["amount"], reason=given["reason"], actor=actor)
        done = "given a bonus"
    if n := len(ticked) - len(problems):
        messages.success(request, f"{n:,} {done}.")
    for problem in problems[:MOST_TOLD]:
        messages.error(request, sentence(problem))
    if len(problems) > MOST_TOLD:
        messages.error(request, f"And {len(problems) - MOST_TOLD:,} more.")
