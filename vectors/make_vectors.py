#!/usr/bin/env python3
"""Writes the SL1 test vectors: json/*.json, and data/*.bin for what is too large to stand in JSON.

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python make_vectors.py

Running it again gives the same bytes. Each vector breaks one rule and expects the one fault that names it.
"""

import shutil

import cases_envelope
import cases_identity
import cases_keys
import cases_packs
import cases_pairing
import cases_statements
from cast import HERE, book

for folder in ("json", "data"):
    shutil.rmtree(HERE / folder, ignore_errors=True)
    (HERE / folder).mkdir()

cases_identity.words_vectors()
cases_identity.device_vectors()
cases_identity.signature_vectors()
cases_identity.card_vectors()
cases_statements.statement_vectors()
cases_statements.roster_vectors()
cases_identity.epoch_vectors()
cases_identity.length_vectors()
cases_envelope.header_vectors()
cases_envelope.context_vectors()
cases_envelope.segment_vectors()
cases_envelope.size_vectors()
cases_envelope.padding_vectors()
cases_keys.kem_vectors()
cases_keys.keyring_vectors()
cases_keys.slot_vectors()
cases_packs.entry_vectors()
cases_packs.pack_vectors()
cases_packs.local_vectors()
cases_pairing.code_vectors()
cases_pairing.message_vectors()
book.write()
