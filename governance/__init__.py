"""Safe Conduct: may these health data cross, in which form, and what does the record say?"""
