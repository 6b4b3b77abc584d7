# SPDX-License-Identifier: MIT
#
# ns per packet over number of flows: gnuplot -e "dir='build/bench'" bench/plot.gp
set terminal svg size 860,520 font "sans-serif,13" background rgb "white"
set output dir."/ns-per-packet.svg"
set title "Cost of a balanced packet (IPv4 TCP, IP in IP, random flows)"
set xlabel "flows"
set ylabel "ns per packet"
set logscale xy
set xrange [0.7:6e6]
set yrange [8:1500]
set xtics ("1" 1, "10" 10, "100" 100, "1k" 1e3, "10k" 1e4, "100k" 1e5, "1M" 1e6, "4M" 4e6)
set ytics (10, 20, 50, 100, 200, 500, 1000)
set grid xtics ytics lc rgb "#dddddd"
set key left top
set style data linespoints
plot dir."/settled.tsv" using 1:4 lw 2 pt 5 lc rgb "#c0392b" title "LRU map of flows, 1 VIP", \
     dir."/16vips.tsv" using 1:4 lw 2 pt 4 dt 2 lc rgb "#c0392b" title "LRU map of flows, 16 VIPs", \
     dir."/16vips.tsv" using 1:2 lw 2 pt 6 dt 2 lc rgb "#2471a3" title "sluice, 16 VIPs", \
     dir."/settled.tsv" using 1:2 lw 2 pt 7 lc rgb "#2471a3" title "sluice, 1 VIP", \
     dir."/settled.tsv" using 1:3 lw 2 pt 9 lc rgb "#7f8c8d" title "floor: parse, encapsulate, send"
