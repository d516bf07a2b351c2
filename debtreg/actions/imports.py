def run(pk, owner):
    return False
