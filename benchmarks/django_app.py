"""A Django REST service for charges, to compare this one with.

It is as the tutorial of Django REST makes one: it has no tokens, duplicates, holds, invoices or audit log. Needs Django
and djangorestframework (docs/benchmarks.md).
"""

import os
from typing import Any

import django
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

DATABASE = os.environ["COMPARISON_DATABASE"]


def _database() -> dict[str, Any]:
    if not DATABASE.startswith("/"):
        options = conninfo_to_dict(DATABASE)
        return {"ENGINE": "django.db.backends.postgresql", "NAME": options.pop("dbname"), "OPTIONS": options}
    # As ours: the write lock is taken at BEGIN, since concurrent writers would fail otherwise.
    options = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE, "OPTIONS": options}


settings.configure(
    SECRET_KEY="only-for-benchmarks",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": _database() | {"CONN_MAX_AGE": None}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    REST_FRAMEWORK={
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "PAGE_SIZE": 100,
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework import routers, serializers, viewsets  # noqa: E402


class Customer(models.Model):  # type: ignore[misc]
    """A customer with a unique reference."""

    reference = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=200)

    class Meta:
        app_label = "comparison"


class Service(models.Model):  # type: ignore[misc]
    """A service with its price."""

    code = models.CharField(max_length=200, unique=True)
    unit = models.CharField(max_length=50)
    unit_price = models.DecimalField(max_digits=30, decimal_places=12)

    class Meta:
        app_label = "comparison"


class Charge(models.Model):  # type: ignore[misc]
    """A charge; its id is unique."""

    charge_id = models.UUIDField(unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    service = models.ForeignKey(Service, on_delete=models.PROTECT)
    description = models.CharField(max_length=500)
    quantity = models.DecimalField(max_digits=30, decimal_places=12)
    unit_price = models.DecimalField(max_digits=30, decimal_places=12)
    amount = models.DecimalField(max_digits=30, decimal_places=12)
    currency = models.CharField(max_length=3)
    incurred_on = models.DateField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "comparison"


class ChargeSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """A charge with its customer and service by their keys."""

    class Meta:
        model = Charge
        fields = "__all__"


class ChargeViewSet(viewsets.ModelViewSet):  # type: ignore[misc]
    """Charges, newest first."""

    queryset = Charge.objects.order_by("-id")
    serializer_class = ChargeSerializer


router = routers.SimpleRouter()
router.register("charges", ChargeViewSet)
urlpatterns = [path("", include(router.urls))]
app = get_wsgi_application()


def make_tables(customers: int, prices: dict[str, str]) -> None:
    """Create the tables with customers and services, whose keys count from 1."""
    with connection.schema_editor() as editor:
        for model in (Customer, Service, Charge):
            editor.create_model(model)
    Customer.objects.bulk_create(Customer(reference=f"C{n:06d}", name=f"Customer {n}") for n in range(1, customers + 1))
    Service.objects.bulk_create(Service(code=code, unit="", unit_price=price) for code, price in prices.items())
