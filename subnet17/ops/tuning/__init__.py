"""The optimizer: measures, compares with the targets, proposes, tries, takes back what turned out worse."""
