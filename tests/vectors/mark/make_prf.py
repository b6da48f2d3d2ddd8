"""Words of the project's own PRF, from docs/watermark.md alone, by an independent AES (the `cryptography`
package). Usage: make_prf.py > prf.json"""
import json
import random
import struct
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SCHEMES = {"gumbel": 1, "green": 2, "synthid": 3, "dipmark": 4, "morphmark": 5, "watermax": 6, "dual-gumbel": 7}


def word(key, context, token, shift, scheme, variant, w):
    def aes(block):
        e = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return e.update(block) + e.finalize()

    slots = list(context) + [0xFFFFFFFF] * (4 - len(context))
    first = aes(struct.pack("<4I", *slots))
    tag = SCHEMES[scheme] + 256 * len(context) + 65536
    second = struct.pack("<4I", token, shift // 2, tag, 2 * variant + w)
    out = aes(bytes(a ^ b for a, b in zip(first, second)))
    return int.from_bytes(out[8 * (shift % 2):8 * (shift % 2) + 8], "little")


r = random.Random(1)
cases = []
for scheme in SCHEMES:
    for width in (1, 2, 3, 4):
        for shift in (0, 1, 6, 63):
            key = r.randbytes(32)
            context = [r.randrange(150000) for _ in range(width)]
            token, variant, w = r.randrange(150000), r.choice([0, 1, 0x7FF]), r.choice([0, 1])
            cases.append({"key": key.hex(), "context": context, "token": token, "shift": shift, "scheme": scheme,
                          "variant": variant, "word_index": w,
                          "word": "%016x" % word(key, context, token, shift, scheme, variant, w)})
print(json.dumps({"source": "make_prf.py", "cases": cases}, indent=0))
