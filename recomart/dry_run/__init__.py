"""`recomart shop check --rules`: what the stages would say about a shop's files, computed from a sample, without a lake."""
