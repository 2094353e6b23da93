"""SCNet, which spends its effort where the music is: low frequencies. Tong et al. (ICASSP 2024)."""
