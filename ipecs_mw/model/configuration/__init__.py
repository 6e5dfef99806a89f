"""Every setting, defined once, and the rules that types cannot say."""
