"""Every document of the voice channel against the W3C's DTD of VoiceXML 2.1, as Debian carries it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mpss.channels.ivr.dialogs import Place, Remark, Standing
from mpss.channels.ivr.prompts import document_of
from mpss.kernel.language import LANGUAGES

pytestmark = pytest.mark.peers

DTD = Path("/usr/share/xml/w3c-sgml-lib/schema/dtd/REC-voicexml21-20070619/vxml.dtd")
CLOSING = {"keys": "12", "choices": "none,phone_bill", "told": "<Close> & go."}


def test_every_document_is_valid(tmp_path: Path) -> None:
    assert DTD.exists(), "the Debian package w3c-sgml-lib is not installed"
    files = []
    for language in LANGUAGES:
        for place in Place:
            for said in ((), ("余额<1000.00>元 & more",)):
                standing = Standing(language, place, Place.MAIN, CLOSING, remarks=(Remark.SILENT,), said=said)
                file = tmp_path / f"{language}-{place}-{len(said)}.vxml"
                file.write_bytes(document_of(standing, {"call": "c0ffee-0001", "step": "12"}))
                files.append(file)
    checked = subprocess.run(
        ["xmllint", "--nonet", "--noout", "--dtdvalid", DTD, *files], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_the_dtd_refuses_what_is_no_voicexml(tmp_path: Path) -> None:
    file = tmp_path / "wrong.vxml"
    file.write_text('<vxml version="2.1" xmlns="http://www.w3.org/2001/vxml"><form><say>Hello</say></form></vxml>')
    checked = subprocess.run(
        ["xmllint", "--nonet", "--noout", "--dtdvalid", DTD, file], capture_output=True, check=False
    )
    assert checked.returncode != 0
