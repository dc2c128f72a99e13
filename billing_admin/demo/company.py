"""The demo's fictional cloud provider: organisation, services and customers."""

from dataclasses import dataclass
from decimal import Decimal

from billing_admin.domain.bank_accounts import BankAccountFields
from billing_admin.domain.master_data import CustomerFields, OrganisationFields, TaxRateFields

ORGANISATION: OrganisationFields = {
    "legal_name": "Nimbus Meadow Cloud GmbH",
    "street": "Wolkenallee 12",
    "postcode": "10999",
    "city": "Berlin",
    "country": "DE",
    "tax_id": "DE999999995",
    "tax_number": "37/123/45678",
    "registration_id": "4012345000009",
    "registration_scheme": "0088",
    "electronic_address": "4012345000009",
    "electronic_scheme": "0088",
    "legal_info": "Amtsgericht Berlin-Wolkenfeld, HRB 99999 B · Managing director: Jonte Feldmann",
    "contact_name": "Mareike Sommer",
    "contact_phone": "+49 30 5550100",
    "contact_email": "billing@nimbus-meadow.example",
    "email": "hello@nimbus-meadow.example",
    "terms": "Payable without deduction by the due date.",
    "invoice_footer": "Quote the invoice number when you pay.",
    "accent": "#0b6e5f",
    "time_zone": "Europe/Berlin",
    "base_currency": "EUR",
    "payment_terms_days": 30,
    "default_tax_rate": "standard",
}

# No bank has the code 99999999, so that nobody pays into these accounts.
BANK_ACCOUNTS: tuple[BankAccountFields, ...] = tuple(
    {"currency": currency, "iban": iban, "bic": "SPMUDEB1XXX", "bank_name": "Sparbank Musterstadt"}
    for currency, iban in (
        ("EUR", "DE37999999990123456789"),
        ("USD", "DE10999999990123456790"),
        ("JPY", "DE80999999990123456791"),
    )
)
LOGO = b"""<svg xmlns="http://www.w3.org/2000/svg" width="186" height="62" viewBox="22 6 186 62">
<path fill="#0b6e5f" d="M58 24a26 26 0 0 1 50 7 18 18 0 0 1-4 35H44a21 21 0 0 1 14-42z"/>
<path fill="none" stroke="#7fb800" stroke-width="6" stroke-linecap="round" d="M130 62v-18M148 62V30M166 62V38M184 62V24M202 62V44"/>
</svg>
"""

TAX_RATES: tuple[TaxRateFields, ...] = (
    {"code": "standard", "name": "VAT 19 %", "category": "S", "percent": Decimal(19)},
    {"code": "reduced", "name": "VAT 7 %", "category": "S", "percent": Decimal(7)},
    {"code": "reverse-charge", "name": "Reverse charge", "category": "AE", "percent": Decimal(0)},
)


@dataclass(frozen=True, slots=True)
class Item:
    """A service: prices in EUR, USD and JPY.

    Monthly usage of an average customer, and the number of charges it is split into.

    Prices are net unless `prices_include_tax`.
    """

    code: str
    name: str
    unit: str
    prices: tuple[str, str, str]
    monthly: float
    charges: int = 1
    whole: bool = True
    tax_rate: str = "standard"
    line_per_charge: bool = False
    prices_include_tax: bool = False


CATALOGUE = (
    Item("GenericCompute", "Generic compute", "hour", ("2.50", "2.70", "410"), 320, 2),
    Item("DataBaseHosting", "Database hosting", "hour", ("1.50", "1.60", "245"), 180),
    Item("IPAddress", "Public IPv4 address", "day", ("0.40", "0.45", "65"), 90),
    Item("ObjectStorage", "Object storage", "GB-month", ("0.0231", "0.0245", "3.8"), 5200, whole=False),
    Item("ObjectRequests", "Object storage requests", "request", ("0.0000004", "0.00000043", "0.000065"), 48_000_000),
    Item("EgressTraffic", "Traffic to the internet", "GB", ("0.0785", "0.085", "12.9"), 2600, whole=False),
    Item("Functions", "Functions", "GB-second", ("0.0000166667", "0.000018", "0.0027"), 3_900_000),
    Item("ManagedKubernetes", "Managed Kubernetes", "cluster hour", ("0.10", "0.11", "16.5"), 744),
    Item("GpuCompute", "GPU compute", "GPU hour", ("3.10", "3.35", "505"), 210, whole=False),
    Item("LogIngestion", "Log ingestion", "GB", ("0.52", "0.57", "86"), 410, whole=False),
    Item("SupportPlan", "Business support", "month", ("290", "310", "47500"), 1),
    Item("Consulting", "Consulting", "hour", ("145", "160", "24000"), 9, line_per_charge=True),
    Item(
        "CloudHandbook",
        "The Cloud Handbook, e-book",
        "copy",
        ("34.90", "37.50", "5700"),
        3,
        tax_rate="reduced",
        prices_include_tax=True,
    ),
    Item("PartnerLicence", "Partner licence", "seat", ("18.40", "19.90", "3000"), 25, tax_rate="reverse-charge"),
)
# The unit codes of e-invoices; GB-months and GB-seconds have none.
UNIT_CODES = {
    "hour": "HUR",
    "cluster hour": "HUR",
    "GPU hour": "HUR",
    "day": "DAY",
    "month": "MON",
    "GB": "E34",
    "request": "C62",
    "copy": "H87",
    "seat": "IE",
}
RETIRED = Item("DialInGateway", "Dial-in gateway", "month", ("79", "85", "12900"), 1)
CURRENCIES = ("EUR", "USD", "JPY")
# Made-up exchange rates: on the first day of the demo, and the steps by which they rise and fall.
EXCHANGE_RATES = {"USD": (Decimal("1.0832"), Decimal("0.0043")), "JPY": (Decimal("163.05"), Decimal("0.62"))}
RATE_DAYS = (1, 7, 14, 21, 28)

# Services by kind of customer.
PLANS = {
    "shop": ("GenericCompute", "IPAddress", "ObjectStorage", "ObjectRequests", "EgressTraffic", "DataBaseHosting"),
    "agency": ("GenericCompute", "DataBaseHosting", "IPAddress", "ObjectStorage", "SupportPlan"),
    "lab": ("GpuCompute", "GenericCompute", "ObjectStorage", "Functions", "LogIngestion", "SupportPlan"),
    "media": ("ObjectStorage", "ObjectRequests", "EgressTraffic", "Functions", "ManagedKubernetes", "SupportPlan"),
    "office": ("DataBaseHosting", "IPAddress", "LogIngestion", "CloudHandbook", "SupportPlan"),
    "platform": (
        "ManagedKubernetes",
        "GenericCompute",
        "PartnerLicence",
        "LogIngestion",
        "ObjectRequests",
        "SupportPlan",
    ),
    "small": ("GenericCompute", "IPAddress", "ObjectRequests"),
    "sample": ("GenericCompute", "DataBaseHosting", "IPAddress"),
}
IN_ADVANCE = {"IPAddress", "SupportPlan", "PartnerLicence"}


@dataclass(frozen=True, slots=True)
class Place:
    """An address: street and number, postcode, city, region, and the country's code."""

    street: str
    postcode: str
    city: str
    region: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    """A customer: size, first month, days to pay, tax treatment and language.

    Days to pay are set only if they are not the default. Companies in other countries of the EU account for the tax
    themselves, one of them for supplies of goods. Consumers there are charged the tax, and deliveries to the rest of the
    world are free of it.
    """

    reference: str
    name: str
    currency: str
    plan: str
    size: float
    place: Place
    tax_id: str = ""
    since: int = 0
    days: int | None = None
    tax: str = "standard"
    language: str = ""


CUSTOMERS = (
    DemoCustomer("ACME", "ACME Inc", "USD", "sample", 1.0, Place("1 Coyote Way", "86001", "Flagstaff", "AZ", "US"), tax="export"),
    DemoCustomer("FOO", "Foo Ltd", "EUR", "sample", 0.4, Place("3 Bar Street", "D02 XY45", "Dublin", country="IE"), "IE9999990U", tax="reverse_charge"),
    DemoCustomer("C-0101", "Bäckerei Kornblüte OHG", "EUR", "small", 0.3, Place("Mühlgasse 4", "04109", "Leipzig", country="DE"), "DE999990002", language="de"),
    DemoCustomer("C-0102", "Café Ångström AB", "EUR", "shop", 0.5, Place("Storgatan 18", "753 31", "Uppsala", country="SE"), "SE999999900701", tax="reverse_charge"),
    DemoCustomer("C-0103", "Observatoire des Étoiles SARL", "EUR", "lab", 1.6, Place("9 rue des Lilas", "69003", "Lyon", country="FR"), "FR48999999105", days=45, tax="reverse_charge", language="fr"),
    DemoCustomer("C-0104", "Fjordlys Media AS", "EUR", "media", 2.2, Place("Bryggen 21", "5003", "Bergen", country="NO"), "NO999999107MVA", tax="export"),
    DemoCustomer("C-0105", "Pastelería Núñez e Hijos SL", "EUR", "small", 0.2, Place("Calle Olmo 7", "41004", "Sevilla", country="ES"), language="es"),
    DemoCustomer("C-0106", "Smørrebrød & Søn ApS", "EUR", "shop", 0.6, Place("Havnegade 40", "8000", "Aarhus", country="DK"), "DK99999004", tax="reverse_charge"),
    DemoCustomer("C-0107", "Łódzkie Zakłady Danych sp. z o.o.", "EUR", "platform", 1.4, Place("ul. Piotrkowska 300", "90-001", "Łódź", country="PL"), "PL9999999002", tax="reverse_charge"),
    DemoCustomer("C-0108", "Çınar Lojistik A.Ş.", "USD", "agency", 0.9, Place("Liman Cad. 55", "35220", "İzmir", country="TR"), tax="export"),
    DemoCustomer("C-0109", "Grünwald & Töchter Logistik GmbH", "EUR", "platform", 2.8, Place("Hafenstraße 80", "20457", "Hamburg", country="DE"), "DE999999000", days=14, language="de"),
    DemoCustomer("C-0110", "Ölpresse Bodensee eG", "EUR", "office", 0.4, Place("Seeweg 2", "78462", "Konstanz", country="DE"), "DE999999106", language="de"),
    DemoCustomer("C-0111", "Kavárna U Tří Žab s.r.o.", "EUR", "small", 0.25, Place("Křižíkova 11", "186 00", "Praha", country="CZ")),
    DemoCustomer("C-0112", "Helvetica Alpina Analytics AG", "EUR", "lab", 3.1, Place("Bahnhofplatz 1", "3011", "Bern", country="CH"), "CHE-999.999.016 MWST", days=60, tax="export", language="de"),
    DemoCustomer("C-0113", "Osteria del Cloud S.r.l.", "EUR", "shop", 0.7, Place("Via Garibaldi 33", "40124", "Bologna", country="IT"), "IT99999110010", tax="reverse_charge"),
    DemoCustomer("C-0114", "Sähkö ja Lumi Oy", "EUR", "platform", 1.1, Place("Mannerheimintie 90", "00250", "Helsinki", country="FI"), "FI99999001", tax="reverse_charge"),
    DemoCustomer("C-0115", "Tulpenveld Software B.V.", "EUR", "agency", 1.3, Place("Prinsengracht 512", "1017 KH", "Amsterdam", country="NL"), "NL999999101B01", tax="reverse_charge"),
    DemoCustomer("C-0116", "Atelier Crème Brûlée SPRL", "EUR", "agency", 0.5, Place("Rue Haute 61", "1000", "Bruxelles", country="BE"), "BE0999999031", tax="reverse_charge", language="fr"),
    DemoCustomer("C-0117", "Wrocławska Grupa Medyczna SA", "EUR", "office", 1.2, Place("Rynek 14", "50-101", "Wrocław", country="PL"), "PL9999999108", tax="intra_community"),
    DemoCustomer("C-0118", "São Miguel Viagens Lda", "EUR", "shop", 0.8, Place("Rua do Sol 25", "9500-001", "Ponta Delgada", country="PT"), "PT999999109", tax="reverse_charge"),
    DemoCustomer("C-0119", "Donau Robotics GmbH", "EUR", "lab", 1.9, Place("Handelskai 200", "1020", "Wien", country="AT"), "ATU99999001", since=3, tax="reverse_charge", language="de"),
    DemoCustomer("C-0120", "Víðir Games ehf.", "EUR", "media", 1.5, Place("Laugavegur 77", "101", "Reykjavík", country="IS"), "IS999120", since=5, tax="export"),
    DemoCustomer("C-0121", "Zagreb Pametni Grad d.o.o.", "EUR", "platform", 0.9, Place("Ilica 242", "10000", "Zagreb", country="HR"), "HR99999999105", since=7, tax="reverse_charge"),
    DemoCustomer("C-0201", "Blue Heron Analytics, Inc.", "USD", "lab", 2.4, Place("500 Congress Ave", "78701", "Austin", "TX", "US"), days=45, tax="export"),
    DemoCustomer("C-0202", "Maple & Moose Outfitters Ltd.", "USD", "shop", 1.0, Place("88 Water Street", "V6B 1A1", "Vancouver", "BC", "CA"), tax="export"),
    DemoCustomer("C-0203", "Pacific Tortilla Company LLC", "USD", "small", 0.3, Place("2214 Mission St", "94110", "San Francisco", "CA", "US"), tax="export"),
    DemoCustomer("C-0204", "Québec Aérospatiale inc.", "USD", "platform", 2.0, Place("1200 boul. Laurier", "G1V 2L1", "Québec", "QC", "CA"), "999999204RT0001", tax="export"),
    DemoCustomer("C-0205", "Lakeshore Public Radio", "USD", "media", 0.9, Place("17 Harbor Drive", "55802", "Duluth", "MN", "US"), tax="export"),
    DemoCustomer("C-0206", "Peña Verde Seguros S.A.", "USD", "office", 0.7, Place("Av. Reforma 1010", "06600", "Ciudad de México", country="MX"), tax="export", language="es"),
    DemoCustomer("C-0207", "Northern Lights Genomics Corp.", "USD", "lab", 3.4, Place("99 Galena St", "99701", "Fairbanks", "AK", "US"), since=4, tax="export"),
    DemoCustomer("C-0208", "Copper Kettle Brewing Co.", "USD", "small", 0.2, Place("41 Canal Street", "04101", "Portland", "ME", "US"), tax="export"),
    DemoCustomer("C-0301", "Kitsune Games K.K.", "JPY", "media", 1.8, Place("3-5-1 Sakuragaoka", "150-0031", "Shibuya-ku", "Tokyo", "JP"), "T9999999999301", tax="export"),
    DemoCustomer("C-0302", "Yuki no Hana Travel", "JPY", "shop", 0.6, Place("2-14 Odori Nishi", "060-0042", "Chuo-ku", "Sapporo", "JP"), "T9999999999302", tax="export"),
    DemoCustomer("C-0303", "Matsuri Robotics", "JPY", "lab", 1.2, Place("7-1 Umeda", "530-0001", "Kita-ku", "Osaka", "JP"), "T9999999999303", tax="export"),
    DemoCustomer("C-0304", "Aozora Clinic Group", "JPY", "office", 0.8, Place("1-8 Tenjin", "810-0001", "Chuo-ku", "Fukuoka", "JP"), "T9999999999304", since=2, tax="export"),
    DemoCustomer("C-0305", "Sumida Paper Works", "JPY", "agency", 0.5, Place("4-20 Azumabashi", "130-0001", "Sumida-ku", "Tokyo", "JP"), "T9999999999305", since=6, tax="export"),
)  # fmt: skip

# Further fields of some customers: formats of e-invoices with the addresses that they need, and other details.
DETAILS: dict[str, CustomerFields] = {
    "C-0101": {
        "e_invoice": "factur-x",
        "registration_id": "4099999000005",
        "registration_scheme": "0088",
        "custom_lines": [{"label": "Kostenstelle", "value": "Backstube 4"}],
    },
    "C-0103": {"e_invoice": "factur-x", "contract": "CT-2025-118"},
    "C-0104": {
        "e_invoice": "peppol",
        "buyer_reference": "Media 21",
        "electronic_address": "999999107",
        "electronic_scheme": "0192",
    },
    "C-0109": {
        "e_invoice": "ubl",
        "contract": "RV 2025/07",
        "delivery_name": "Grünwald & Töchter, Lager Süd",
        "delivery_street": "Am Güterbahnhof 3",
        "delivery_postcode": "80807",
        "delivery_city": "München",
        "delivery_country": "DE",
    },
    "C-0110": {
        "e_invoice": "xrechnung-ubl",
        "buyer_reference": "99101-DEMO0110-79",
        "electronic_address": "einkauf@c-0110.example",
        "electronic_scheme": "EM",
    },
    "C-0115": {
        "e_invoice": "peppol",
        "buyer_reference": "Tulp 512",
        "electronic_address": "NL999999101B01",
        "electronic_scheme": "9944",
    },
    "C-0116": {
        "e_invoice": "peppol",
        "buyer_reference": "Atelier 61",
        "electronic_address": "0999999031",
        "electronic_scheme": "0208",
    },
    "C-0117": {
        "e_invoice": "ubl",
        "delivery_name": "Apteka Centralna",
        "delivery_street": "ul. Legnicka 5",
        "delivery_postcode": "53-671",
        "delivery_city": "Wrocław",
        "delivery_country": "PL",
    },
    "C-0119": {
        "e_invoice": "xrechnung-cii",
        "buyer_reference": "99101-DEMO0119-52",
        "electronic_address": "ATU99999001",
        "electronic_scheme": "9914",
    },
    "C-0201": {"custom_lines": [{"label": "Cost center", "value": "ML-42"}, {"label": "Project", "value": "Heron"}]},
    "C-0208": {"paper": "a4"},
}
# Further contacts: customer, name, e-mail address, and how they get invoices, reminders and statements.
CONTACTS = (
    ("ACME", "Wile E. Coyote", "wile@acme.example", "cc", "none", "none"),
    ("C-0109", "Grit Grünwald", "grit@c-0109.example", "cc", "cc", "to"),
    ("C-0112", "Urs Brunner", "urs@c-0112.example", "none", "to", "to"),
)

LEAVING_CUSTOMER = "C-0111"  # leaves after eight months
OVERPAID_BACK = "C-0105"  # last month's goodwill is more than its usage: left out
STILL_DRAFT = "C-0104"  # its last invoice waits for a purchase order number
ALSO_IN_USD = "C-0109"  # buys something in another currency, with tax


# Recurring charges: customer, service, quantity, interval. The last one is paused.
RECURRING = (
    ("ACME", "SupportPlan", "1", "monthly"),
    ("C-0109", "SupportPlan", "2", "quarterly"),
    ("C-0112", "PartnerLicence", "40", "yearly"),
    ("C-0103", "IPAddress", "31", "monthly"),
)
