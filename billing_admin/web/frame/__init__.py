"""The parts that all pages share: access, sign-in, forms, lists, navigation and error pages."""
