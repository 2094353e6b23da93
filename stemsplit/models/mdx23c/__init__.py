"""MDX23C: TFC-TDF-U-Net v3, all stems at once. Kim, Lee, Jung (2023), arXiv:2306.09382."""
