"""`recomart shop check --rules`: what the stages would say about a shop's files, from a sample and without a lake."""
