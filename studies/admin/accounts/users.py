"""Who may come in: Django's users and groups, in the theme's forms.

An operator looks after accounts, and must not become more by it: they give roles and nothing else, leave superusers and
accounts with other rights alone, and set no password of an account through which studies can be seen.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from studies.accounts import roles
from studies.admin.pages import Findable

admin.site.unregister(User)
admin.site.unregister(Group)
# Their pages show other people's keys.
admin.site.unregister(TOTPDevice)
admin.site.unregister(StaticDevice)

OPERATORS_FIELDSETS = (
    (None, {"fields": ("username", "password")}),
    ("Person", {"fields": ("first_name", "last_name", "email")}),
    ("Rights", {"fields": ("is_active", "is_staff", "groups")}),
)


@admin.register(User)
class UserAdmin(Findable, DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or request.user.is_superuser or only_roles(obj))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is not None and not request.user.is_superuser:
            return OPERATORS_FIELDSETS
        return super().get_fieldsets(request, obj)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField | None:
        if db_field.name == "groups" and not request.user.is_superuser:
            kwargs["queryset"] = Group.objects.filter(name__in=roles.NAMES)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        self._found(request, id)
        user = self.get_object(request, unquote(id))
        if not (request.user.is_superuser or sees_no_study(user)):
            raise PermissionDenied("Only a superuser sets the password of an account that sees studies.")
        return super().user_change_password(request, id, form_url)


def only_roles(user: User) -> bool:
    """Whether all an account may do comes from its roles."""
    if user.is_superuser or user.user_permissions.exists():
        return False
    return not user.groups.exclude(name__in=roles.NAMES).exists()


def sees_no_study(user: User) -> bool:
    return not (user.is_superuser or user.study_set.exists() or user.shares.exists())


@admin.register(Group)
class GroupAdmin(Findable, DjangoGroupAdmin, ModelAdmin):
    pass
