"""What a WSGI server runs: `wsgi:app`."""

from billing_admin import create_app

app = create_app()
