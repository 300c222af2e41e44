from django.dispatch import Signal

# Sent with `job` and `staging` (the folder of its files) before an import is completed, perhaps more than once.
import_finishing = Signal()
