"""Operations on billing runs."""
