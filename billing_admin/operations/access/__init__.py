"""Operations on people, sessions and API tokens."""
