"""Rule packs: what a rule file may say, how it is read, and what no fix may grant."""
