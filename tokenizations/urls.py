from django.urls import path

from datasets_app import event_views
from tokenizations import hub_views, tokenizer_views, views

app_name = "tokenizations"
urlpatterns = [
    path("datasets/sample/", views.sample, name="sample"),
    path("datasets/<uuid:dataset_id>/tokenize/", views.new, name="new"),
    path("datasets/<uuid:dataset_id>/tokenize/preview/", views.preview, name="preview"),
    path("tokenizations/<uuid:job_id>/", views.detail, name="detail"),
    path("tokenizations/<uuid:job_id>/events/", event_views.of_tokenization, name="events"),
    path("tokenizations/<uuid:job_id>/delete/", views.delete, name="delete"),
    path("tokenizers/", tokenizer_views.list_tokenizers, name="tokenizers"),
    path("tokenizers/add/", tokenizer_views.add_tokenizer, name="add_tokenizer"),
    path("tokenizers/hub/", hub_views.ask, name="hub"),
    path("tokenizers/hub/<uuid:question_id>/", hub_views.answer, name="hub_answer"),
    path("tokenizers/<uuid:tokenizer_id>/delete/", tokenizer_views.delete_tokenizer, name="delete_tokenizer"),
]
