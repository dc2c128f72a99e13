"""Operations on customers, accounts, services, tax rates and the organisation."""
