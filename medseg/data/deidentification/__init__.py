"""What identifies a patient: found, removed, replaced by pseudonyms, and searched for in the end."""
