"""Translation conditioned on emotion (paper 002): what is asked, as data."""
