"""What a person would write with torch and timm, run beside us on the same pictures."""
