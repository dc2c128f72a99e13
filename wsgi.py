"""What a WSGI server runs: `wsgi:app`."""

from billing_admin import create_app
from billing_admin.cli.serving import check_server
from billing_admin.garbage import settle

app = create_app()
check_server(app)
settle()
