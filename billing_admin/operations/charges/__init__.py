"""Operations on charges, corrections, likely duplicates and recurring charges."""
