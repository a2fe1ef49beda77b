# The kernel releases that the series are for: Debian's original tarballs, which
# are upstream's without a few firmware and licence-encumbered files. Read by
# make and by the shell.

# What is used unless BASE= says otherwise, and what serves if it is gone.
BASE_DEFAULT=6.19.11
BASE_FALLBACK=6.19.10

FILE_6_19_11=linux_6.19.11.orig.tar.xz
SHA256_6_19_11=e19d838c34519b050dd48334c673b07f4089d56449b453e6d1d04460e0667fa6

FILE_6_19_10=linux_6.19.10.orig.tar.xz
SHA256_6_19_10=8039eb8cd23273d2e1a99e4a7cadf343e2dee48b6e03a748b04473281c6b2e5a

# Mainline, for patches/7.3: BASE=7.3 is enough. Debian has its source as a
# package, with the patches of Debian.
BASE_MAINLINE=7.3.4
FILE_7_3_4=linux-source-7.3_7.3.4-1~bpo13+1_all.deb
SHA256_7_3_4=703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3
