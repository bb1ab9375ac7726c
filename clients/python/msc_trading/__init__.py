"""Those who trade under the policy: risk guard, orchestrator, executor, the Binance venue and a paper exchange."""
