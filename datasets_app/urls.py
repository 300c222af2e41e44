from django.urls import path

from datasets_app import (
    adding,
    event_views,
    hub_views,
    job_views,
    rejected,
    token_views,
    upload_views,
    views,
)

app_name = "datasets"
urlpatterns = [
    path("", views.list_datasets, name="list"),
    path("overview/", views.overview, name="overview"),
    path("datasets/add/", adding.add, name="add"),
    path("datasets/add/server/", adding.add_server_files, name="add_server_files"),
    path("datasets/add/<uuid:upload_id>/", adding.preview, name="preview"),
    path("datasets/hub/", hub_views.ask, name="hub"),
    path("datasets/hub/<uuid:question_id>/", hub_views.answer, name="hub_answer"),
    path("datasets/hub/<uuid:question_id>/size/", hub_views.size, name="hub_size"),
    path("datasets/uploads/", upload_views.begin, name="begin_upload"),
    path("datasets/uploads/<uuid:upload_id>/", upload_views.progress, name="upload"),
    path("datasets/uploads/<uuid:upload_id>/remove/", upload_views.remove, name="remove_upload"),
    path("datasets/uploads/<uuid:upload_id>/<int:number>/", upload_views.piece, name="piece"),
    path("datasets/<uuid:dataset_id>/", views.detail, name="detail"),
    path("datasets/<uuid:dataset_id>/card/", views.card, name="card"),
    path("datasets/<uuid:dataset_id>/progress.json", views.progress, name="progress"),
    path("datasets/<uuid:dataset_id>/events/", event_views.of_dataset, name="events"),
    path("datasets/<uuid:dataset_id>/rejected/", rejected.look, name="rejected"),
    path("datasets/<uuid:dataset_id>/rejected.jsonl", rejected.download, name="rejected_file"),
    path("datasets/<uuid:dataset_id>/delete/", views.delete, name="delete"),
    path("account/tokens/", token_views.tokens, name="tokens"),
    path("account/tokens/<uuid:token_id>/delete/", token_views.delete, name="delete_token"),
    path("jobs/<uuid:job_id>/", job_views.job, name="job"),
    path("jobs/<uuid:job_id>/cancel/", job_views.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/pause/", job_views.pause, name="pause"),
    path("jobs/<uuid:job_id>/resume/", job_views.resume, name="resume"),
    path("jobs/<uuid:job_id>/retry/", job_views.retry, name="retry"),
    path("jobs/<uuid:job_id>/change/", adding.change, name="change"),
]
