"""The live dashboard: one page that shows what the authority decided, why, who follows it, and what is wrong."""

from msc_authority.http.dashboard.mount import add_dashboard

__all__ = ["add_dashboard"]
