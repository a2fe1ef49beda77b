# The kernel releases that the series are for: Debian's original tarballs, which
# are upstream's without a few firmware and licence-encumbered files. Read by
# make and by the shell.

# What is used unless BASE= says otherwise, and what serves if it is gone.
BASE_DEFAULT=6.19.11
BASE_FALLBACK=6.19.14

FILE_6_19_11=linux_6.19.11.orig.tar.xz
SHA256_6_19_11=e19d838c34519b050dd48334c673b07f4089d56449b453e6d1d04460e0667fa6

# The last 6.19, and mainline for patches/7.3, for which BASE=7.3 is enough. Debian
# has these as packages, with the patches of Debian.
FILE_6_19_14=linux-source-6.19_6.19.14-1~bpo13+1_all.deb
SHA256_6_19_14=027344f5c615c16df534878d7e434639d3bf7702c67bd41123be815e0953133b

BASE_MAINLINE=7.3.4
FILE_7_3_4=linux-source-7.3_7.3.4-1~bpo13+1_all.deb
SHA256_7_3_4=703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3
