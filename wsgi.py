"""What a WSGI server runs: `wsgi:app`."""

from billing_admin import create_app
from billing_admin.garbage import settle

app = create_app()
settle()
