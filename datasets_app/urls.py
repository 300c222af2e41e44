from django.urls import path

from datasets_app import adding, event_views, job_views, rejected, views

app_name = "datasets"
urlpatterns = [
    path("", views.list_datasets, name="list"),
    path("overview/", views.overview, name="overview"),
    path("datasets/add/", adding.add, name="add"),
    path("datasets/add/<uuid:upload_id>/", adding.preview, name="preview"),
    path("datasets/<uuid:dataset_id>/", views.detail, name="detail"),
    path("datasets/<uuid:dataset_id>/card/", views.card, name="card"),
    path("datasets/<uuid:dataset_id>/progress.json", views.progress, name="progress"),
    path("datasets/<uuid:dataset_id>/events/", event_views.of_dataset, name="events"),
    path("datasets/<uuid:dataset_id>/rejected/", rejected.look, name="rejected"),
    path("datasets/<uuid:dataset_id>/rejected.jsonl", rejected.download, name="rejected_file"),
    path("datasets/<uuid:dataset_id>/delete/", views.delete, name="delete"),
    path("jobs/<uuid:job_id>/", job_views.job, name="job"),
    path("jobs/<uuid:job_id>/cancel/", job_views.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/pause/", job_views.pause, name="pause"),
    path("jobs/<uuid:job_id>/resume/", job_views.resume, name="resume"),
    path("jobs/<uuid:job_id>/retry/", job_views.retry, name="retry"),
    path("jobs/<uuid:job_id>/change/", adding.change, name="change"),
]
