"""What a WSGI server runs: `wsgi:app`."""

from billing_admin import create_app, settle

app = create_app()
settle()
