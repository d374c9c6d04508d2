"""Measures Python's `cryptography.fernet` at the sizes of benches/field.rs.

Prints the fastest of seven runs, as divan's column "fastest" does.
"""

import timeit

import cryptography
from cryptography.fernet import Fernet

SIZES = [64, 512, 4 * 1024, 64 * 1024]


def nanoseconds(call):
    timer = timeit.Timer(call)
    loops, _ = timer.autorange()
    return min(timer.repeat(repeat=7, number=loops)) / loops * 1e9


fernet = Fernet(Fernet.generate_key())
print(f"cryptography {cryptography.__version__}")
print(f"{'size':>8} {'encrypt ns':>12} {'MB/s':>7} {'decrypt ns':>12} {'MB/s':>7}")
for size in SIZES:
    plaintext = b"x" * size
    token = fernet.encrypt(plaintext)
    encrypt = nanoseconds(lambda: fernet.encrypt(plaintext))
    decrypt = nanoseconds(lambda: fernet.decrypt(token))
    print(
        f"{size:>8} {encrypt:>12,.0f} {size / encrypt * 1e3:>7.0f}"
        f" {decrypt:>12,.0f} {size / decrypt * 1e3:>7.0f}"
    )
