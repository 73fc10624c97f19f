"""CertLogic, the language of the EU's business rules: reading and evaluating it.

The language is that of specification 1.3.2; where that leaves a choice, values
are those of certlogic-js 1.2.2. Where published implementations disagree or an
answer would depend on the platform, a rule is open instead of decided:

* days and times that are not in the calendar (30 February, 24:00:00);
* integers beyond ±(2^53 − 1), and moments beyond the range of ECMAScript's Date.

And `var` reads what the specification says and nothing else: elements of arrays
by index and entries of objects by name. Other steps give null, as missing data
does; there is no `length` and no prototype to reach.

The room knows nothing of certificates beyond the form of a published rule, and
imports nothing but `guosuo.errors`.
"""
