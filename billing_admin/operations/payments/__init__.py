"""Operations on payments and allocations."""
