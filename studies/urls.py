from django.urls import path

from . import views
from .operations import probes

app_name = "studies"
urlpatterns = [
    path("", views.home, name="home"),
    path("s/<uuid:link>/", views.join, name="join"),
    path("s/<uuid:link>/withdraw/", views.withdraw_by_code, name="withdraw_by_code"),
    path("t/<str:token>/", views.take, name="take"),
    path("t/<str:token>/consent/", views.own_consent, name="own_consent"),
    path("t/<str:token>/withdraw/", views.withdraw, name="withdraw"),
    path("recruiters/<slug:key>/messages/", views.recruiter_message, name="recruiter_message"),
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
    path("pictures/<path:name>", views.picture, name="picture"),
]
