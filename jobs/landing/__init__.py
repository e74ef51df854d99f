"""Landing in its parts: finding a delivery, reading its lines, judging each by the contract, telling duplicates."""
