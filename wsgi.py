"""The entry point of WSGI servers: `wsgi:app`."""

from billing_admin import create_app, tune_gc
from billing_admin.cli.serving import check_server

app = create_app()
check_server(app)
tune_gc()
