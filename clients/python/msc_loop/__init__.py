"""Where the authority and those who trade under it meet in one program: backtests, the live loop, the audit."""
