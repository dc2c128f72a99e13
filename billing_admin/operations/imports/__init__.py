"""Operations on imports of files."""
