"""Standards of consent, in and out; models of FHIR serve at this edge only."""
