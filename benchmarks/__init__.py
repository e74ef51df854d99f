"""What README's performance table is measured by: each figure beside its peer, in the same run."""
