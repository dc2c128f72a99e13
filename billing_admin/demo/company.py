"""The demo's fictional cloud provider: organisation, services and customers."""

from dataclasses import dataclass
from decimal import Decimal

from billing_admin.domain.bank_accounts import BankAccountFields
from billing_admin.domain.master_data import OrganisationFields, TaxRateFields

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
LOGO = b"""<svg xmlns="http://www.w3.org/2000/svg" width="186" height="56" viewBox="22 12 186 56">
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
RETIRED = Item("DialInGateway", "Dial-in gateway", "month", ("79", "85", "12900"), 1)
CURRENCIES = ("EUR", "USD", "JPY")

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
class DemoCustomer:
    """A customer: size, first month, days to pay, and tax treatment.

    Days to pay are set only if they are not the default.
    """

    reference: str
    name: str
    currency: str
    plan: str
    size: float
    address: str
    tax_id: str = ""
    since: int = 0
    days: int | None = None
    tax: str = "standard"


CUSTOMERS = (
    DemoCustomer("ACME", "ACME Inc", "USD", "sample", 1.0, "1 Coyote Way\nFlagstaff, AZ 86001\nUnited States"),
    DemoCustomer("FOO", "Foo Ltd", "EUR", "sample", 0.4, "3 Bar Street\nDublin D02 XY45\nIreland", "IE9999999A"),
    DemoCustomer("C-0101", "Bäckerei Kornblüte OHG", "EUR", "small", 0.3, "Mühlgasse 4\n04109 Leipzig\nGermany", "DE999999101"),
    DemoCustomer("C-0102", "Café Ångström AB", "EUR", "shop", 0.5, "Storgatan 18\n753 31 Uppsala\nSweden", "SE999999999901"),
    DemoCustomer("C-0103", "Observatoire des Étoiles SARL", "EUR", "lab", 1.6, "9 rue des Lilas\n69003 Lyon\nFrance", "FR99999999103", days=45),
    DemoCustomer("C-0104", "Fjordlys Media AS", "EUR", "media", 2.2, "Bryggen 21\n5003 Bergen\nNorway", "NO999999104MVA"),
    DemoCustomer("C-0105", "Pastelería Núñez e Hijos SL", "EUR", "small", 0.2, "Calle Olmo 7\n41004 Sevilla\nSpain", "ESB99999105"),
    DemoCustomer("C-0106", "Smørrebrød & Søn ApS", "EUR", "shop", 0.6, "Havnegade 40\n8000 Aarhus\nDenmark", "DK99999106"),
    DemoCustomer("C-0107", "Łódzkie Zakłady Danych sp. z o.o.", "EUR", "platform", 1.4, "ul. Piotrkowska 300\n90-001 Łódź\nPoland", "PL9999999107"),
    DemoCustomer("C-0108", "Çınar Lojistik A.Ş.", "USD", "agency", 0.9, "Liman Cad. 55\n35220 İzmir\nTürkiye"),
    DemoCustomer("C-0109", "Grünwald & Töchter Logistik GmbH", "EUR", "platform", 2.8, "Hafenstraße 80\n20457 Hamburg\nGermany", "DE999999109", days=14),
    DemoCustomer("C-0110", "Ölpresse Bodensee eG", "EUR", "office", 0.4, "Seeweg 2\n78462 Konstanz\nGermany", "DE999999110"),
    DemoCustomer("C-0111", "Kavárna U Tří Žab s.r.o.", "EUR", "small", 0.25, "Křižíkova 11\n186 00 Praha\nCzechia", "CZ99999111"),
    DemoCustomer("C-0112", "Helvetica Alpina Analytics AG", "EUR", "lab", 3.1, "Bahnhofplatz 1\n3011 Bern\nSwitzerland", "CHE-999.999.112", days=60, tax="export"),
    DemoCustomer("C-0113", "Osteria del Cloud S.r.l.", "EUR", "shop", 0.7, "Via Garibaldi 33\n40124 Bologna\nItaly", "IT99999999113"),
    DemoCustomer("C-0114", "Sähkö ja Lumi Oy", "EUR", "platform", 1.1, "Mannerheimintie 90\n00250 Helsinki\nFinland", "FI99999114", tax="reverse_charge"),
    DemoCustomer("C-0115", "Tulpenveld Software B.V.", "EUR", "agency", 1.3, "Prinsengracht 512\n1017 KH Amsterdam\nNetherlands", "NL999999115B01"),
    DemoCustomer("C-0116", "Atelier Crème Brûlée SPRL", "EUR", "agency", 0.5, "Rue Haute 61\n1000 Bruxelles\nBelgium", "BE0999999116"),
    DemoCustomer("C-0117", "Wrocławska Grupa Medyczna SA", "EUR", "office", 1.2, "Rynek 14\n50-101 Wrocław\nPoland", "PL9999999117"),
    DemoCustomer("C-0118", "São Miguel Viagens Lda", "EUR", "shop", 0.8, "Rua do Sol 25\n9500-001 Ponta Delgada\nPortugal", "PT999999118"),
    DemoCustomer("C-0119", "Donau Robotics GmbH", "EUR", "lab", 1.9, "Handelskai 200\n1020 Wien\nAustria", "ATU99999119", since=3),
    DemoCustomer("C-0120", "Víðir Games ehf.", "EUR", "media", 1.5, "Laugavegur 77\n101 Reykjavík\nIceland", "IS999120", since=5),
    DemoCustomer("C-0121", "Zagreb Pametni Grad d.o.o.", "EUR", "platform", 0.9, "Ilica 242\n10000 Zagreb\nCroatia", "HR99999999121", since=7),
    DemoCustomer("C-0201", "Blue Heron Analytics, Inc.", "USD", "lab", 2.4, "500 Congress Ave\nAustin, TX 78701\nUnited States", days=45),
    DemoCustomer("C-0202", "Maple & Moose Outfitters Ltd.", "USD", "shop", 1.0, "88 Water Street\nVancouver, BC V6B 1A1\nCanada"),
    DemoCustomer("C-0203", "Pacific Tortilla Company LLC", "USD", "small", 0.3, "2214 Mission St\nSan Francisco, CA 94110\nUnited States"),
    DemoCustomer("C-0204", "Québec Aérospatiale inc.", "USD", "platform", 2.0, "1200 boul. Laurier\nQuébec, QC G1V 2L1\nCanada", "999999204RT0001"),
    DemoCustomer("C-0205", "Lakeshore Public Radio", "USD", "media", 0.9, "17 Harbor Drive\nDuluth, MN 55802\nUnited States"),
    DemoCustomer("C-0206", "Peña Verde Seguros S.A.", "USD", "office", 0.7, "Av. Reforma 1010\n06600 Ciudad de México\nMexico"),
    DemoCustomer("C-0207", "Northern Lights Genomics Corp.", "USD", "lab", 3.4, "99 Galena St\nFairbanks, AK 99701\nUnited States", since=4),
    DemoCustomer("C-0208", "Copper Kettle Brewing Co.", "USD", "small", 0.2, "41 Canal Street\nPortland, ME 04101\nUnited States"),
    DemoCustomer("C-0301", "Kitsune Games K.K.", "JPY", "media", 1.8, "3-5-1 Sakuragaoka\nShibuya-ku, Tokyo 150-0031\nJapan", "T9999999999301"),
    DemoCustomer("C-0302", "Yuki no Hana Travel", "JPY", "shop", 0.6, "2-14 Odori Nishi\nChuo-ku, Sapporo 060-0042\nJapan", "T9999999999302"),
    DemoCustomer("C-0303", "Matsuri Robotics", "JPY", "lab", 1.2, "7-1 Umeda\nKita-ku, Osaka 530-0001\nJapan", "T9999999999303"),
    DemoCustomer("C-0304", "Aozora Clinic Group", "JPY", "office", 0.8, "1-8 Tenjin\nChuo-ku, Fukuoka 810-0001\nJapan", "T9999999999304", since=2),
    DemoCustomer("C-0305", "Sumida Paper Works", "JPY", "agency", 0.5, "4-20 Azumabashi\nSumida-ku, Tokyo 130-0001\nJapan", "T9999999999305", since=6),
)  # fmt: skip

LEAVING_CUSTOMER = "C-0111"  # leaves after eight months
OVERPAID_BACK = "C-0105"  # last month's goodwill is more than its usage: left out
STILL_DRAFT = "C-0104"  # its last invoice waits for a purchase order number
ALSO_IN_USD = "C-0119"  # buys something in another currency


# Recurring charges: customer, service, quantity, interval. The last one is paused.
RECURRING = (
    ("ACME", "SupportPlan", "1", "monthly"),
    ("C-0109", "SupportPlan", "2", "quarterly"),
    ("C-0112", "PartnerLicence", "40", "yearly"),
    ("C-0103", "IPAddress", "31", "monthly"),
)
