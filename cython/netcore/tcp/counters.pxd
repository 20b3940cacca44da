"""Counters of one host under the names of the kernel's snmp and netstat tables; ours where the kernel has none."""

from libc.stdint cimport uint64_t

cdef struct counters_t:
    # Ip
    uint64_t InReceives
    uint64_t InHdrErrors
    uint64_t InAddrErrors
    uint64_t InUnknownProtos
    uint64_t InDelivers
    uint64_t OutRequests
    uint64_t OutDiscards
    uint64_t OutNoRoutes
    uint64_t InDiscards
    uint64_t ReasmTimeout
    uint64_t ReasmReqds
    uint64_t ReasmOKs
    uint64_t ReasmFails
    uint64_t FragOKs
    uint64_t FragFails
    uint64_t FragCreates
    # IpExt: packets in by their ECN field
    uint64_t InNoECTPkts
    uint64_t InECT1Pkts
    uint64_t InECT0Pkts
    uint64_t InCEPkts
    # Icmp
    uint64_t IcmpInMsgs
    uint64_t IcmpInErrors
    uint64_t IcmpInCsumErrors
    uint64_t IcmpInDestUnreachs
    uint64_t IcmpInTimeExcds
    uint64_t IcmpInParmProbs
    uint64_t IcmpInEchos
    uint64_t IcmpOutEchoReps
    uint64_t IcmpOutDestUnreachs
    uint64_t IcmpOutTimeExcds
    uint64_t IcmpOutParmProbs
    uint64_t IcmpOutRateLimited
    # Udp
    uint64_t UdpNoPorts
    # Tcp
    uint64_t ActiveOpens
    uint64_t PassiveOpens
    uint64_t AttemptFails
    uint64_t EstabResets
    # how many there are now: the one that also comes down
    uint64_t CurrEstab
    uint64_t InSegs
    uint64_t OutSegs
    uint64_t RetransSegs
    uint64_t InErrs
    uint64_t OutRsts
    uint64_t InCsumErrors
    # TcpExt
    uint64_t ListenOverflows
    uint64_t EmbryonicRsts
    uint64_t SyncookiesSent
    uint64_t SyncookiesRecv
    uint64_t SyncookiesFailed
    # listeners that entered the mode of LISTEN-74, and left it
    uint64_t SynFloodsBegun
    uint64_t SynFloodsEnded
    uint64_t TW
    uint64_t TWRecycled
    uint64_t DelayedACKs
    uint64_t TCPTimeouts
    uint64_t TCPFastRetrans
    uint64_t TCPSackRecovery
    uint64_t TCPRenoRecovery
    uint64_t TCPLossProbes
    uint64_t TCPLossProbeRecovery
    uint64_t TCPSACKReneging
    uint64_t TCPDSACKRecv
    uint64_t TCPDSACKOldSent
    uint64_t TCPDSACKOfoSent
    uint64_t TCPFullUndo
    uint64_t TCPLossUndo
    uint64_t TCPDSACKUndo
    uint64_t TCPSpuriousRTOs
    uint64_t TCPSlowStartRetrans
    uint64_t TCPSynRetrans
    uint64_t TCPWinProbe
    uint64_t TCPOFOQueue
    uint64_t TCPOFODrop
    uint64_t TCPPureAcks
    uint64_t TCPChallengeACK
    uint64_t TCPACKSkippedChallenge
    uint64_t PAWSEstab
    # SYNs that asked for ECN and were sent again without; segments that said CWR
    uint64_t TCPECNFallbacks
    uint64_t TCPCWRSent
    # ICMP errors that quote no segment in flight; probes of the path's MTU, and paths that swallowed full segments
    uint64_t OutOfWindowIcmps
    uint64_t TCPMTUPFail
    uint64_t TCPMTUPSuccess
    uint64_t PathBlackHoles
    uint64_t TCPTSMissing
    # signatures: unsigned where a key says it must not be, signed where there is no key, a code that is wrong
    uint64_t TCPMD5NotFound
    uint64_t TCPMD5Unexpected
    uint64_t TCPMD5Failure
    uint64_t TCPAORequired
    uint64_t TCPAOBad
    uint64_t TCPAOKeyNotFound
    uint64_t TCPAOGood
    # ICMP errors that a connection signed by TCP-AO does not believe
    uint64_t TCPAODroppedIcmps
    uint64_t TCPAbortOnData
    uint64_t TCPAbortOnClose
    uint64_t TCPAbortOnTimeout
    uint64_t TCPKeepAlive
    uint64_t TCPFastOpenActive
    uint64_t TCPFastOpenActiveFail
    uint64_t TCPFastOpenPassive
    uint64_t TCPFastOpenPassiveFail
    uint64_t TCPFastOpenListenOverflow
    uint64_t TCPFastOpenCookieReqd
    # Arp
    uint64_t ArpInRequests
    uint64_t ArpInReplies
    uint64_t ArpOutRequests
    uint64_t ArpOutReplies
    uint64_t NeighborQueueDrops
    uint64_t NeighborFailures
    # the house's own
    uint64_t FramesIn
    uint64_t FramesOut
    uint64_t FramesBad
    uint64_t ReplyDrops
    uint64_t CaptureDrops
    uint64_t IllegalTransitions
