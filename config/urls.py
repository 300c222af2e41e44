from django.contrib import admin
from django.urls import include, path

from datasets_app import accounts, views

# Only what serves pages needs the admin's modules.
admin.autodiscover()

urlpatterns = [
    path("sign-in/", accounts.sign_in, name="sign_in"),
    path("sign-in/<str:uid>/<str:token>/", accounts.sign_in_link, name="sign_in_link"),
    path("sign-out/", accounts.sign_out, name="sign_out"),
    path("theme/", accounts.theme, name="theme"),
    path("health/", views.health, name="health"),
    path("admin/", admin.site.urls),
    path("", include("tokenizations.urls")),
    path("", include("datasets_app.urls")),
]
