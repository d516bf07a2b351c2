def run(pk: int, owner: str) -> bool:
    return False
