"""Operations on drafts, invoices, credit notes and voids."""
