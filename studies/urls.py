from django.urls import path

from . import views

app_name = "studies"
urlpatterns = [
    path("", views.home, name="home"),
    path("s/<uuid:link>/", views.join, name="join"),
    path("t/<str:token>/", views.take, name="take"),
    path("pictures/<path:name>", views.picture, name="picture"),
]
